CREATE OR REPLACE VIEW sft AS
SELECT prompt_id, recipe_key, split, list_append(messages, {'role': 'assistant', 'content': answer}) AS messages
FROM labelled_prompt
WHERE kind = 'logged' AND reward >= 0.5;
COMMENT ON VIEW sft IS 'For supervised fine-tuning: prompts whose impression ended in a quality play, with the artwork shown as the answer';
