-- What of the candidates keeps a question from becoming a prompt. A propensity is a share among all that the policy
-- chose from: a candidate of an impression that the catalogue did not offer at that moment, or that the member was too
-- young for, is not passed over; of a pair it is.
WITH found AS (
    SELECT asked_no AS number, count(*) AS valid, count(description) AS described,
        bool_or(is_shown) AS shown_valid, bool_or(is_shown AND description IS NOT NULL) AS shown_described
    FROM candidate JOIN artwork_state USING (state_no) LEFT JOIN picture USING (image_sha256)
    GROUP BY asked_no
),
too_mature AS (
    SELECT asked_no AS number, count(*) AS unsuitable, bool_or(is_shown) AS unsuitable_shown FROM unsuitable GROUP BY asked_no
),
counted AS (
    SELECT asked_no AS number, coalesce(valid, 0) AS valid, coalesce(described, 0) AS described,
        CASE WHEN shown IS NULL THEN 0 ELSE len(candidates) - coalesce(valid, 0) END AS unknown,
        coalesce(shown_valid, false) AND NOT shown_described AS shown_lacks_words,
        coalesce(unsuitable, 0) AS unsuitable, coalesce(unsuitable_shown, false) AS unsuitable_shown
    FROM asked SEMI JOIN planned USING (asked_no) LEFT JOIN found ON found.number = asked_no
    LEFT JOIN too_mature ON too_mature.number = asked_no
)
UPDATE asked SET reason = CASE
    WHEN unsuitable_shown THEN 'unsuitable_shown'
    WHEN valid + unknown < 2 THEN 'few_candidates'
    WHEN unknown > unsuitable AND $unknown = 'skip' THEN 'unknown_candidate'
    WHEN unsuitable > 0 AND shown IS NOT NULL AND $unknown = 'skip' THEN 'unsuitable_candidate'
    WHEN described = 0 OR $missing = 'skip' AND described < valid THEN 'no_description'
    WHEN $missing = 'drop' AND (described + unknown < 2 OR shown_lacks_words) THEN 'no_description'
    WHEN unknown + CASE WHEN $missing = 'drop' THEN described ELSE valid END > $most THEN 'too_many_candidates'
END
FROM counted WHERE asked.asked_no = number;
