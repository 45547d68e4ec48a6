CREATE OR REPLACE VIEW latest_recommendation_value AS
FROM recommendation_value
WHERE evaluation_id = (SELECT arg_max(evaluation_id, (computed_at, evaluation_id)) FROM recommendation_value)
ORDER BY split DESC, ndcg DESC, features, model;
COMMENT ON VIEW latest_recommendation_value IS 'Features x models of the newest `make recommend`';
