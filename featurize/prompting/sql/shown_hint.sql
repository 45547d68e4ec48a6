-- A member and an impression that have a prompt, and whether members are written as keyed hashes.
SELECT min(member_id), min(impression_id), (
    SELECT count(*) > 0 FROM model
    WHERE model_key IN (SELECT DISTINCT recipe_key FROM prompt) AND fingerprint->>'$.member_key' IS NOT NULL
)
FROM prompt;
