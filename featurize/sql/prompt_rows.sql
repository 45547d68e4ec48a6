-- Rows of `prompt` for a range of questions; `tokens` counts characters.
WITH asked_now AS (SELECT * FROM question WHERE question_no BETWEEN $first AND $last),
moments AS (SELECT min(moment_no) AS first_moment, max(moment_no) AS last_moment FROM asked_now),
recent_lines AS (
    SELECT moment_no,
        string_agg(history_line(label, what(kind, minutes), ago(hours)), chr(10) ORDER BY place DESC) AS lines
    FROM recent JOIN title USING (title_no)
    WHERE moment_no BETWEEN (SELECT first_moment FROM moments) AND (SELECT last_moment FROM moments)
    GROUP BY moment_no
),
older_lines AS (
    SELECT moment_no, older_line(string_agg(older_count(genre, plays), ', ' ORDER BY plays DESC, genre)) AS line
    FROM (
        SELECT moment_no, genre, plays FROM older JOIN genre USING (genre_no)
        WHERE moment_no BETWEEN (SELECT first_moment FROM moments) AND (SELECT last_moment FROM moments)
        QUALIFY row_number() OVER (PARTITION BY moment_no ORDER BY plays DESC, genre) <= $genres
    )
    GROUP BY moment_no
),
choices AS (
    SELECT question_no,
        list(artwork_id ORDER BY place) AS artwork_ids,
        string_agg(candidate_line(letter(place), coalesce(description, not_described())), chr(10) ORDER BY place)
            AS candidates,
        any_value(letter(place)) FILTER (is_shown) AS answer
    FROM (
        SELECT c.*, row_number() OVER (
            PARTITION BY question_no ORDER BY md5(concat($seed, '|', question_key, '|', artwork_id)), artwork_id
        ) AS place
        FROM choice c JOIN asked_now USING (question_no)
    )
    GROUP BY question_no
),
asked AS MATERIALIZED (
    SELECT q.*, artwork_ids, answer,
        user_message(coalesce(nullif(concat_ws(chr(10), lines, line), ''), no_history()), text, candidates) AS question
    FROM asked_now q JOIN title USING (title_id) JOIN choices USING (question_no)
    LEFT JOIN recent_lines USING (moment_no) LEFT JOIN older_lines USING (moment_no)
)
SELECT prompt_id, $kind AS kind, impression_id, member AS member_id, title_id, asked_at, artwork_ids,
    [{'role': 'system', 'content': system_message()}, {'role': 'user', 'content': question}] AS messages,
    concat(system_message(), chr(10), chr(10), question) AS prompt,
    answer, reward, propensity,
    CASE
        WHEN $kind = 'nightly' THEN NULL
        WHEN coalesce(asked_at >= $held_out_from::TIMESTAMPTZ, pair_hash($seed, member, title_id) <= $held_out_up_to)
            THEN 'held_out'
        ELSE 'train'
    END AS split,
    $as_of::TIMESTAMPTZ AS as_of, $template_key AS template_key, $descriptions AS model_key, $recipe_key AS recipe_key,
    (length(system_message()) + length(question))::INTEGER AS tokens, $tokens_by AS tokens_by,
    $run_id AS run_id, $code_version AS code_version, $computed_at::TIMESTAMPTZ AS computed_at
FROM asked
ORDER BY question_no;
