CREATE OR REPLACE VIEW dpo AS
SELECT prompt_id, recipe_key, split, messages AS prompt,
       [{'role': 'assistant', 'content': answer}] AS chosen,
       [{'role': 'assistant', 'content': letter}] AS rejected,
       propensity, reward
FROM (
    SELECT *, unnest(list_transform(
        list_filter(
            range(1, len(artwork_ids) + 1), lambda place: place <> shown_place AND NOT list_contains(shown_like, place)
        ),
        lambda place: substr('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz', place, 1)
    )) AS letter
    FROM played
);
COMMENT ON VIEW dpo IS 'For preference tuning: the artwork whose impression ended in a quality play against each other candidate of its current prompt';
