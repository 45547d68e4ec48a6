-- The files that runs were given which read a catalogue or a log, and the demo world that the absence of files means.
SELECT DISTINCT job, input->'$' AS files, input->>'$.demo' AS demo
FROM (
    SELECT job, settings::JSON->'$.input' AS input
    FROM run
    WHERE outcome = 'done' AND job IN ('featurize', 'prompts', 'recommend', 'nightly')
)
