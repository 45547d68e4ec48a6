-- Texts to the types of the contracts. NULL is what cannot be read, and of an empty text too; the caller tells them
-- apart. A time is judged with its zone, and DuckDB's cast to TIMESTAMP ignores one: so look first.
CREATE OR REPLACE TEMP MACRO as_number(word) AS CASE
    WHEN lower(trim(word)) = 'true' THEN 1.0
    WHEN lower(trim(word)) = 'false' THEN 0.0
    WHEN regexp_full_match(trim(word), '[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?') AND isfinite(TRY_CAST(word AS DOUBLE))
        THEN TRY_CAST(word AS DOUBLE)
END;
CREATE OR REPLACE TEMP MACRO as_whole(word) AS CASE
    WHEN regexp_full_match(trim(word), '[+-]?\d+(\.0*)?') THEN TRY_CAST(regexp_replace(trim(word), '\.0*$', '') AS INTEGER)
END;
-- A list of which one element is no number is none.
CREATE OR REPLACE TEMP MACRO as_numbers(words) AS
    CASE WHEN list_count(list_transform(words, lambda word: as_number(word))) = len(words)
        THEN list_transform(words, lambda word: as_number(word))
    END;
CREATE OR REPLACE TEMP MACRO is_zoned(word) AS
    regexp_matches(word, '\d\d:\d\d(:\d\d(\.\d*)?)?\s*(Z|z|UTC|GMT|[A-Z][A-Za-z]+/[A-Za-z_/+-]+|[+-](0\d|1[0-5])(:?[0-5]\d){0,2})\s*$');
CREATE OR REPLACE TEMP MACRO is_epoch(word) AS
    regexp_full_match(trim(word), '[+-]?\d+(\.\d*)?([eE][+-]?\d+)?');
-- Of a time with a sign before its zone DuckDB wants no space there, and a Z in upper case.
CREATE OR REPLACE TEMP MACRO as_zoned(word) AS
    CASE WHEN is_zoned(word)
        THEN TRY_CAST(regexp_replace(regexp_replace(trim(word), '\s+([+-]\d\d[:\d]*)$', '\1'), 'z$', 'Z') AS TIMESTAMPTZ)
    END;
CREATE OR REPLACE TEMP MACRO as_naive(word) AS
    CASE WHEN regexp_matches(word, '^\s*[+-]?\d') AND NOT is_zoned(word) AND NOT regexp_matches(word, ':.*[+-]')
            AND regexp_matches(word, '(^|[^\d])\d\d?(:\d\d(:\d\d(\.\d*)?)?)?\s*$')
        THEN TRY_CAST(word AS TIMESTAMP)
    END;
CREATE OR REPLACE TEMP MACRO as_time(word, zone) AS
    coalesce(as_zoned(word), CASE WHEN zone IS NOT NULL THEN timezone(zone, as_naive(word)) END);
