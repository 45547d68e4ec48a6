CREATE OR REPLACE VIEW dpo AS
SELECT prompt_id, recipe_key, split, messages AS prompt,
    [{'role': 'assistant', 'content': answer}] AS chosen,
    [{'role': 'assistant', 'content': letter}] AS rejected
FROM (
    SELECT *, unnest(list_transform(
        range(1, len(artwork_ids) + 1),
        lambda place: substr('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz', place, 1)
    )) AS letter
    FROM labelled_prompt
    WHERE kind = 'logged' AND reward >= 0.5
)
WHERE letter <> answer;
COMMENT ON VIEW dpo IS 'For preference tuning: the artwork whose impression ended in a quality play against each other candidate of its prompt';
