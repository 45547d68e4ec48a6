-- The questions of a bucket, numbered without gaps in the order that they have among all.
CREATE TEMP TABLE numbered AS
SELECT question_no, (row_number() OVER (ORDER BY question_no))::INTEGER AS number FROM question;
CREATE OR REPLACE TEMP TABLE question AS
SELECT question.* REPLACE (number AS question_no) FROM question JOIN numbered USING (question_no) ORDER BY number;
CREATE OR REPLACE TEMP TABLE choice AS
SELECT choice.* REPLACE (number AS question_no) FROM choice JOIN numbered USING (question_no) ORDER BY number;
DROP TABLE numbered;
