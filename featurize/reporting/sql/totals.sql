-- What there is, of which the page may show a part; the choices are those that count today.
SELECT (SELECT count(*) FROM artwork_present) AS artworks,
       (SELECT count(DISTINCT title_id) FROM artwork_present) AS titles,
       (SELECT count(DISTINCT image_sha256) FROM artwork_present) AS pictures,
       (SELECT count(*) FROM prompt) AS prompts,
       (SELECT count(*) FROM ranking) AS rankings,
       (SELECT count(*) FROM current_choice) AS choices;
