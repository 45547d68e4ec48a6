-- Pictures that no model could be given, because their bytes are no picture, or half of one.
CREATE OR REPLACE TEMP TABLE undecodable AS
SELECT DISTINCT image_sha256 FROM quarantine
WHERE stage = 'decode' AND image_sha256 <> ''
    AND NOT EXISTS (FROM description WHERE description.image_sha256 = quarantine.image_sha256);
