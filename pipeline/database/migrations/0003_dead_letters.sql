-- Dead letters: whoever removes one leaves a line, and the API may see how fast they grow.

CREATE TRIGGER note_removal AFTER DELETE ON dead_letters FOR EACH ROW
EXECUTE FUNCTION note_act('dead_letter.removed', 'letter_id', 'chunk_id', 'reason', 'rows');

INSERT INTO role_grants VALUES ('spendline_api', 'SELECT (letter_id, died_at) ON dead_letters');
SELECT grant_roles();
