-- Why impressions or pairs become no prompt: how many by reason, and the first of them, by id, as an example.
WITH lost AS (
    SELECT reason, count(*) AS rows,
        arg_min(asked_no, (coalesce(impression_id, ''), coalesce(title_id, ''), coalesce(member_id, ''))) AS asked_no
    FROM asked WHERE reason IS NOT NULL GROUP BY reason
),
first AS (SELECT l.reason, rows, a.* EXCLUDE (reason) FROM lost l JOIN asked a USING (asked_no)),
unknown AS (
    SELECT asked_no, min(artwork_id) AS artwork_id
    FROM (SELECT asked_no, unnest(candidates) AS artwork_id FROM first WHERE reason = 'unknown_candidate')
    ANTI JOIN (SELECT asked_no, artwork_id FROM candidate JOIN artwork_state USING (state_no)) USING (asked_no, artwork_id)
    ANTI JOIN unsuitable USING (asked_no, artwork_id)
    GROUP BY asked_no
),
often AS (
    SELECT artwork_id, count(*) AS times
    FROM (
        SELECT asked_no, unnest(list_distinct(candidates)) AS artwork_id FROM asked WHERE reason = 'unknown_candidate'
    )
    ANTI JOIN (SELECT asked_no, artwork_id FROM candidate JOIN artwork_state USING (state_no)) USING (asked_no, artwork_id)
    ANTI JOIN unsuitable USING (asked_no, artwork_id)
    GROUP BY artwork_id
    HAVING times > 1
    ORDER BY times DESC, artwork_id
    LIMIT 1
),
too_mature AS (
    SELECT asked_no,
        min(concat('''', artwork_id, ''' of maturity ', maturity, ', max_maturity ', max_maturity))
            FILTER (is_shown OR reason = 'unsuitable_candidate') AS artwork,
        count(*) AS artworks
    FROM unsuitable JOIN first USING (asked_no)
    GROUP BY asked_no
)
SELECT reason, rows,
    coalesce(fault_example, concat_ws(', ',
        CASE WHEN $logged THEN 'impression ' || coalesce('''' || impression_id || '''', 'missing') END,
        CASE WHEN NOT $logged AND $members THEN 'member ' || coalesce('''' || member_id || '''', 'missing') END,
        'title ' || coalesce('''' || title_id || '''', 'missing'),
        CASE
            WHEN reason = 'unknown_candidate' THEN concat('candidate ''', artwork_id, '''',
                (SELECT concat('; most often it is ''', often.artwork_id, ''', in ', times) FROM often))
            WHEN reason = 'shown_not_candidate' THEN 'shown ''' || shown || ''''
            WHEN reason = 'bad_propensity' THEN 'propensity ' || coalesce(propensity::VARCHAR, 'missing')
            WHEN reason = 'unsuitable_candidate' THEN 'candidate ' || too_mature.artwork
            WHEN reason = 'unsuitable_shown' THEN 'shown ' || too_mature.artwork
            WHEN reason = 'bad_max_maturity' THEN 'max_maturity ' || max_maturity
            WHEN reason = 'few_candidates' AND artworks > 0 THEN concat(artworks, ' above max_maturity ', max_maturity)
            WHEN reason = 'bad_propensities' THEN wrong_shares
            WHEN reason = 'bad_reward' THEN 'reward ' || coalesce(reward::VARCHAR, 'missing')
            WHEN reason = 'bad_time' THEN 'at ' || asked_at::VARCHAR
            WHEN reason = 'incomplete' AND $logged THEN concat_ws(', ',
                CASE WHEN coalesce(member_id, '') = '' THEN 'member missing' END,
                CASE WHEN coalesce(shown, '') = '' THEN 'artwork missing' END,
                CASE WHEN candidates IS NULL THEN 'candidates missing' ELSE 'candidates ' || candidates::VARCHAR END,
                CASE WHEN asked_at IS NULL THEN 'at missing' END)
        END
    )) AS example
FROM first LEFT JOIN unknown USING (asked_no) LEFT JOIN too_mature USING (asked_no)
ORDER BY reason;
