CREATE OR REPLACE VIEW current_choice AS
FROM choice
QUALIFY row_number() OVER (PARTITION BY member_id, title_id ORDER BY valid_from DESC, computed_at DESC, model_key) = 1;
COMMENT ON VIEW current_choice IS 'What to show: the newest row of choice of each member and title';
