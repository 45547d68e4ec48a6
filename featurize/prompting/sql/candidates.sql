-- The candidates of each question that are valid at its moment; `share` is the propensity of each, where it is known. One
-- that the member was too young for is in table `unsuitable` instead.
CREATE OR REPLACE TEMP TABLE candidate AS
SELECT asked_no, state_no, share, a.artwork_id = shown AS is_shown, coalesce(maturity > max_maturity, false) AS too_mature
FROM (
    SELECT asked_no, asked_at, title_id, shown, max_maturity,
        unnest(candidates) AS artwork_id, unnest(propensities) AS share
    FROM asked SEMI JOIN planned USING (asked_no)
) a
JOIN artwork_state s
    ON s.artwork_id = a.artwork_id AND s.title_id = a.title_id AND s.since <= a.asked_at AND a.asked_at < s.until;
CREATE OR REPLACE TEMP TABLE unsuitable AS
SELECT asked_no, artwork_id, maturity, is_shown FROM candidate JOIN artwork_state USING (state_no) WHERE too_mature;
DELETE FROM candidate WHERE too_mature;
