CREATE OR REPLACE VIEW impression AS
WITH newest AS (
    SELECT impression_id, arg_max({'reward': reward, 'minutes': minutes}, revision) AS label
    FROM label
    GROUP BY impression_id
)
SELECT impression_id, member_id, title_id, artwork_id, candidates, propensity, propensities, "at", policy,
       device, country, language, time_zone, max_maturity,
       label.reward AS reward, label.minutes AS minutes
FROM impression_state LEFT JOIN newest USING (impression_id)
QUALIFY row_number() OVER (PARTITION BY impression_id ORDER BY computed_at DESC) = 1;
COMMENT ON VIEW impression IS 'The impressions that have a prompt, each with its newest label';
