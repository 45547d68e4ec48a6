-- What the models $models say of today's pictures: the likeliest label of each attribute, and the fields of a description.
WITH best AS (
    SELECT model_key, image_sha256, attribute, arg_max(label, (probability, label)) AS label
    FROM image_tag
    SEMI JOIN artwork_present USING (image_sha256)
    WHERE list_contains($models, model_key)
    GROUP BY ALL
),
field AS (
    SELECT model_key, image_sha256,
           unnest([{'attribute': 'mood', 'label': mood}, {'attribute': 'setting', 'label': setting},
                   {'attribute': 'composition', 'label': composition}, {'attribute': 'people', 'label': people_count::VARCHAR}]) AS said
    FROM described
    SEMI JOIN artwork_present USING (image_sha256)
    WHERE list_contains($models, model_key)
)
SELECT 'image_tag' AS feature, * FROM best
UNION ALL
SELECT 'description', model_key, image_sha256, said.attribute, lower(trim(said.label))
FROM field WHERE trim(coalesce(said.label, '')) <> '';
