CREATE OR REPLACE VIEW sft AS
SELECT prompt_id, recipe_key, split, messages AS prompt, [{'role': 'assistant', 'content': answer}] AS completion,
       propensity, reward
FROM played
WHERE shown_like = [];
COMMENT ON VIEW sft IS 'For supervised fine-tuning: the current prompts that ended in a quality play, with the letter of the artwork shown as the completion';
