-- For supervised fine-tuning: the question and, as its answer, the artwork whose impression ended in a quality play.
CREATE OR REPLACE TEMP VIEW sft AS
SELECT prompt_id, recipe_key, split,
    list_append(messages, {'role': 'assistant', 'content': answer}) AS messages
FROM prompt
WHERE kind = 'logged' AND reward >= 0.5;
