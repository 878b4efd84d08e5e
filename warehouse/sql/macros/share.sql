-- The former name of pro_rata(), kept for one release.
--
-- sources: pro_rata()
-- parameters:
--   value    DECIMAL     at most 18 decimals
--   part     DECIMAL     0 or more, at most 12 decimals
--   whole    DECIMAL     at most 12 decimals
-- returns: DECIMAL(38,18)
main.pro_rata(value, part, whole)
