-- Which of the candidates (feature, model_key, covers) is current. A pin wins. Else it is one that covers what the best
-- covers, or nearly: a newer model may fail on a picture in a hundred that the older one could do. Of these the one that
-- the newest finished run used, whether or not it had anything to do; before a run has finished, the one first used last.
WITH used AS (
    SELECT phase->>'model_key' AS model_key, max(started_at) AS used_at
    FROM (SELECT started_at, unnest(json_extract(counts, '$.phases[*]')) AS phase FROM run WHERE outcome = 'done')
    GROUP BY model_key
),
declared AS (
    FROM production QUALIFY row_number() OVER (PARTITION BY feature ORDER BY computed_at DESC) = 1
),
compared AS (
    SELECT feature, candidate.model_key, covers,
           coalesce(declared.model_key = candidate.model_key AND because = 'pin', false) AS pinned,
           covers * 100 >= max(covers) OVER (PARTITION BY feature) * 99 AS covers_all,
           used_at, model.computed_at
    FROM candidate
    LEFT JOIN declared USING (feature)
    LEFT JOIN used ON used.model_key = candidate.model_key
    LEFT JOIN model ON model.model_key = candidate.model_key
)
SELECT feature, model_key, covers, pinned,
       row_number() OVER (
           PARTITION BY feature
           ORDER BY pinned DESC, covers_all DESC, used_at DESC NULLS LAST, computed_at DESC NULLS LAST, model_key
       ) = 1 AS current
FROM compared
ORDER BY feature, current DESC, covers DESC, model_key;
