-- What the catalogue said of an artwork, and from when until when. The first state also counts for the time before:
-- a catalogue is often read for the first time after the impressions were logged. With $newest only the newest state
-- counts, whenever it was seen. Who is on a picture and from which age it is fit were so before anybody said it: where a
-- state does not tell, the next state of the same picture that does counts.
CREATE OR REPLACE TEMP TABLE artwork_state AS
SELECT
    (row_number() OVER ())::INTEGER AS state_no, artwork_id, title_id, image_sha256, locale, depicts, maturity,
    greatest(since, coalesce(valid_from, '-infinity')) AS since,
    least(until, coalesce(valid_to, 'infinity')) AS until
FROM (
    SELECT artwork_id, title_id, image_sha256, locale, valid_from, valid_to, present,
        first_value(depicts IGNORE NULLS) OVER same_picture AS depicts,
        first_value(maturity IGNORE NULLS) OVER same_picture AS maturity,
        CASE WHEN $newest OR row_number() OVER states = 1 THEN '-infinity'::TIMESTAMPTZ ELSE seen_at END AS since,
        lead(seen_at) OVER states AS next_seen_at, coalesce(next_seen_at, 'infinity'::TIMESTAMPTZ) AS until
    FROM artwork
    WHERE seen_at < $as_of::TIMESTAMPTZ
    WINDOW states AS (PARTITION BY artwork_id ORDER BY seen_at, run_id, uri, image_sha256),
        same_picture AS (
            PARTITION BY artwork_id, image_sha256 ORDER BY seen_at, run_id, uri
            ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING
        )
)
WHERE present AND (next_seen_at IS NULL OR NOT $newest);
