-- Each member and title of the impressions in $file once, with what was known of the member at the last of them.
CREATE TEMP VIEW shown_again AS
SELECT member_id, title_id, arg_max(device, "at") AS device, arg_max(country, "at") AS country,
    arg_max(language, "at") AS language, arg_max(time_zone, "at") AS time_zone
FROM read_parquet($file)
GROUP BY member_id, title_id
ORDER BY member_id, title_id;
