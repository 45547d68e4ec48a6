-- Who holds a lease of the store, by the files that holders keep renewing; $files has them as column content.
CREATE OR REPLACE VIEW lease AS
SELECT said->>'run_id' AS run_id, to_timestamp(TRY_CAST(said->>'renewed' AS DOUBLE)) AS renewed
FROM (SELECT CAST(content AS JSON) AS said FROM $files WHERE json_valid(content));
COMMENT ON VIEW lease IS 'Leases that runs hold, or held when they were killed; renewed is their last sign of life';
