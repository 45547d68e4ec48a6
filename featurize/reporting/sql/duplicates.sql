SELECT artwork_id, other, cosine FROM near_duplicate WHERE NOT same_title ORDER BY cosine DESC, artwork_id, other LIMIT $most;
