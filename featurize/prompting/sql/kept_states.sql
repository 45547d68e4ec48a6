-- Every state that is kept of the impressions asked about.
CREATE OR REPLACE TEMP TABLE kept_state AS
SELECT impression_id, member_id, member_key, title_id, artwork_id, candidates, propensity, propensities, "at", policy,
    device, country, language, time_zone, max_maturity, computed_at
FROM impression_state
SEMI JOIN (SELECT impression_id FROM asked WHERE reason IS NULL) USING (impression_id);
