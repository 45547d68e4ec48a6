-- What of the candidates keeps a question from becoming a prompt.
WITH found AS (
    SELECT asked_no, count(*) AS valid, count(description) AS described,
        bool_or(is_shown) AS shown_valid, bool_or(is_shown AND description IS NOT NULL) AS shown_described
    FROM candidate JOIN artwork_state USING (state_no) LEFT JOIN picture USING (image_sha256)
    GROUP BY asked_no
)
UPDATE asked SET reason = CASE
    WHEN coalesce(valid, 0) < 2 THEN 'few_candidates'
    WHEN shown IS NOT NULL AND NOT shown_valid THEN 'shown_not_candidate'
    WHEN described = 0 OR $missing = 'skip' AND described < valid THEN 'no_description'
    WHEN $missing = 'drop' AND (described < 2 OR shown IS NOT NULL AND NOT shown_described) THEN 'no_description'
    WHEN CASE WHEN $missing = 'drop' THEN described ELSE valid END > $most THEN 'too_many_candidates'
END
FROM (SELECT asked_no AS number FROM planned) LEFT JOIN found ON found.asked_no = number
WHERE asked.asked_no = number;
