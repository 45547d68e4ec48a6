-- Of each table of words the current model and the one beside it that did something last.
SELECT feature, max(model_key) FILTER (current) AS current, arg_max(model_key, newest) FILTER (NOT current) AS other
FROM (
    SELECT feature, model_key, current_model.model_key IS NOT NULL AS current, newest
    FROM (
        SELECT 'image_tag' AS feature, model_key, max(computed_at) AS newest FROM image_tag GROUP BY model_key
        UNION ALL
        SELECT 'description', model_key, max(computed_at) FROM description GROUP BY model_key
    )
    LEFT JOIN current_model USING (feature, model_key)
)
GROUP BY feature;
