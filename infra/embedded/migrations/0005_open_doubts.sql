-- The records in doubt that nobody has given up on: their messages, or the runs that call, may come again. Few, so the index costs
-- the others nothing.
CREATE INDEX inbox_in_doubt_and_open ON inbox (updated_at) WHERE status = 0 AND instr(steps, '"in-doubt"') > 0;
