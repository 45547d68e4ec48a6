-- What becomes of the committed prompts: made again, no longer possible, not asked for.
SELECT
    count(*) FILTER (prompt_id IN (SELECT prompt_id FROM question)),
    count(*) FILTER (prompt_id IN (SELECT prompt_id FROM planned) AND prompt_id NOT IN (SELECT prompt_id FROM question)),
    count(*) FILTER (prompt_id NOT IN (SELECT prompt_id FROM planned))
FROM committed;
