-- How often each recommender finds what members play next: features x models, on plays that it has not seen.
CREATE TABLE recommendation_value (
    evaluation_id VARCHAR NOT NULL CHECK (length(evaluation_id) = 32),
    split VARCHAR NOT NULL CHECK (split IN ('rolling_days', 'new_titles', 'leave_one_out')),
    features VARCHAR NOT NULL CHECK (features <> ''),
    model VARCHAR NOT NULL CHECK (model <> ''),
    cases INTEGER NOT NULL CHECK (cases >= 1),
    members INTEGER NOT NULL CHECK (members >= 1),
    titles INTEGER NOT NULL CHECK (titles >= 1),
    without INTEGER NOT NULL CHECK (without >= 0),
    hr DOUBLE NOT NULL CHECK (hr BETWEEN 0 AND 1),
    hr_low DOUBLE CHECK (isfinite(hr_low)),
    hr_high DOUBLE CHECK (isfinite(hr_high)),
    ndcg DOUBLE NOT NULL CHECK (ndcg BETWEEN 0 AND 1),
    ndcg_low DOUBLE CHECK (isfinite(ndcg_low)),
    ndcg_high DOUBLE CHECK (isfinite(ndcg_high)),
    baseline VARCHAR NOT NULL,
    hr_more DOUBLE CHECK (isfinite(hr_more)),
    hr_more_low DOUBLE CHECK (isfinite(hr_more_low)),
    hr_more_high DOUBLE CHECK (isfinite(hr_more_high)),
    ndcg_more DOUBLE CHECK (isfinite(ndcg_more)),
    ndcg_more_low DOUBLE CHECK (isfinite(ndcg_more_low)),
    ndcg_more_high DOUBLE CHECK (isfinite(ndcg_more_high)),
    ndcg_by_seed DOUBLE[] NOT NULL,
    confidence DOUBLE NOT NULL CHECK (confidence > 0 AND confidence < 1),
    run_id VARCHAR NOT NULL,
    code_version VARCHAR NOT NULL,
    computed_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (evaluation_id, split, features, model)
);
COMMENT ON COLUMN recommendation_value.evaluation_id IS 'Follows from plays, vectors and settings: the same again is the same evaluation';
COMMENT ON COLUMN recommendation_value.split IS 'Which plays are asked: rolling_days, new_titles (nobody had played them) or leave_one_out';
COMMENT ON COLUMN recommendation_value.features IS 'What a title is known by; none for the popular ones, which are told apart by their plays alone';
COMMENT ON COLUMN recommendation_value.model IS 'two_towers, sasrec, popular or popular_7_days';
COMMENT ON COLUMN recommendation_value.cases IS 'First plays of a title by a member that were asked for';
COMMENT ON COLUMN recommendation_value.members IS 'Members they are of; intervals are by members';
COMMENT ON COLUMN recommendation_value.titles IS 'Titles that are ranked, less what the member had played: all of them, or of new_titles the new third';
COMMENT ON COLUMN recommendation_value.without IS 'Titles without a vector of these features; they count as the average title';
COMMENT ON COLUMN recommendation_value.hr IS 'HR@10: share of cases whose title is among the first ten; equal scores count against it. Mean over the seeds';
COMMENT ON COLUMN recommendation_value.hr_low IS 'Lower end of its interval; NULL where there is too little to tell';
COMMENT ON COLUMN recommendation_value.hr_high IS 'Upper end';
COMMENT ON COLUMN recommendation_value.ndcg IS 'nDCG@10: 1 / log2(rank + 1) of these, 0 of the others. Mean over the seeds';
COMMENT ON COLUMN recommendation_value.ndcg_low IS 'Lower end of its interval';
COMMENT ON COLUMN recommendation_value.ndcg_high IS 'Upper end';
COMMENT ON COLUMN recommendation_value.baseline IS 'Features that hr_more and ndcg_more compare with, by the same model and on the same cases; of popular ones, by two_towers';
COMMENT ON COLUMN recommendation_value.hr_more IS 'HR@10 less that of the baseline';
COMMENT ON COLUMN recommendation_value.hr_more_low IS 'Lower end of its paired interval';
COMMENT ON COLUMN recommendation_value.hr_more_high IS 'Upper end';
COMMENT ON COLUMN recommendation_value.ndcg_more IS 'nDCG@10 less that of the baseline';
COMMENT ON COLUMN recommendation_value.ndcg_more_low IS 'Lower end of its paired interval';
COMMENT ON COLUMN recommendation_value.ndcg_more_high IS 'Upper end';
COMMENT ON COLUMN recommendation_value.ndcg_by_seed IS 'nDCG@10 by seed: how much of it is luck of training, and of new_titles, of which titles are new together';
COMMENT ON COLUMN recommendation_value.confidence IS 'Confidence of the intervals';
COMMENT ON COLUMN recommendation_value.run_id IS 'Run that wrote the row';
COMMENT ON COLUMN recommendation_value.code_version IS 'Version of this project that wrote the row';
COMMENT ON COLUMN recommendation_value.computed_at IS 'When the row was computed, UTC';
