-- Rows from before the column same_as have NULL there: nothing is known to be alike.
CREATE OR REPLACE VIEW played AS
SELECT *, instr('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz', answer) AS shown_place,
       list_filter(
           range(1, len(artwork_ids) + 1),
           lambda place: place <> shown_place AND coalesce(same_as[place] = same_as[shown_place], false)
       ) AS shown_like
FROM current_prompt
WHERE kind = 'logged' AND reward >= 0.5;
COMMENT ON VIEW played IS 'Current prompts whose impression ended in a quality play. shown_place is the place of the artwork shown, shown_like are those of the candidates described in the same words';
