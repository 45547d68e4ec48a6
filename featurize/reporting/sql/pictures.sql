-- The pictures of these artworks, and of these contents, wherever one of them lies.
SELECT artwork_id, title_id, uri, image_sha256, width, height
FROM artwork_present WHERE list_contains($artworks, artwork_id) OR list_contains($contents, image_sha256);
