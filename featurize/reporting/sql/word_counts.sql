SELECT feature, attribute, model_key, label, count(*) AS pictures FROM word GROUP BY ALL ORDER BY ALL;
