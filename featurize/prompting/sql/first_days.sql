-- An impression belongs to the day it was first read on, also where the log now says another: there lie its prompts and
-- labels, each once. The first state of an impression is of that day.
UPDATE asked SET day = strftime(first_at, '%Y-%m-%d')
FROM (
    SELECT impression_id, arg_min("at", computed_at) AS first_at
    FROM impression_state
    SEMI JOIN (SELECT impression_id FROM asked WHERE reason IS NULL) USING (impression_id)
    GROUP BY impression_id
) first
WHERE asked.impression_id = first.impression_id AND reason IS NULL AND day <> strftime(first_at, '%Y-%m-%d');
