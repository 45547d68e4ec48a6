-- A picture has several rows of a model only where the first ones failed and were tried again.
CREATE OR REPLACE VIEW described AS
FROM description
QUALIFY row_number() OVER (
    PARTITION BY image_sha256, model_key
    ORDER BY status = 'ok' DESC, status = 'invalid_fields' DESC, computed_at, run_id
) = 1;
COMMENT ON VIEW described IS 'The best description of each picture by each model, one row of each: what worked before what failed, then the first';
