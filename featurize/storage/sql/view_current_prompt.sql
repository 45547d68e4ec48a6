CREATE OR REPLACE VIEW current_prompt AS
FROM labelled_prompt WHERE recipe_key IN ($logged_prompt, $nightly_prompt);
COMMENT ON VIEW current_prompt IS 'The prompts of the current recipes, one of each kind, with their newest labels; table prompt has those of every recipe';
