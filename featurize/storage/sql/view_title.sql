CREATE OR REPLACE VIEW title AS
SELECT title_id, name, year, genres, synopsis, "cast", computed_at AS read_at
FROM title_state
QUALIFY row_number() OVER (PARTITION BY title_id ORDER BY computed_at DESC) = 1;
COMMENT ON VIEW title IS 'The titles as the prompts job last read them';
