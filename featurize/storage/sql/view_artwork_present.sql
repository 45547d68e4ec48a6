CREATE OR REPLACE VIEW artwork_present AS
SELECT * FROM (
    FROM artwork QUALIFY row_number() OVER (PARTITION BY artwork_id ORDER BY seen_at DESC, run_id DESC) = 1
)
WHERE present;
COMMENT ON VIEW artwork_present IS 'The catalogue of today: the newest state of every artwork that its source still lists';
