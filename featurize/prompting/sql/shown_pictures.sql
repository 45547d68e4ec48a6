-- Where the pictures of some artworks lay at a moment; of those that were not known then, where they lay first.
SELECT artwork_id,
    coalesce(arg_max(uri, seen_at) FILTER (present AND seen_at <= $asked_at::TIMESTAMPTZ), arg_min(uri, seen_at))
FROM artwork
WHERE list_contains($artworks::VARCHAR[], artwork_id)
GROUP BY artwork_id;
