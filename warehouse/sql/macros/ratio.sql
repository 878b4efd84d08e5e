-- numerator / denominator without a detour through floating point.
-- Rounded half away from zero to 12 decimals. Null for a denominator of 0, and where the result or
-- an intermediate figure does not fit (denominators above 10^19).
--
-- sources:
-- parameters:
--   numerator      DECIMAL     at most 18 decimals
--   denominator    DECIMAL     at most 12 decimals
-- returns: DECIMAL(38,12)
TRY(
    -- the decimals' digits as integers; 18 against 12 decimals leaves 6 to the quotient
    list_transform(
        [{
            'a': abs(trunc(numerator)::HUGEINT) * 1000000000000000000
               + abs((numerator - trunc(numerator)) * 1000000000000000000)::HUGEINT,
            'b': nullif(
                abs(trunc(denominator)::HUGEINT) * 1000000000000
                + abs((denominator - trunc(denominator)) * 1000000000000)::HUGEINT, 0)
        }],
        -- six further digits, the last one rounded
        lambda x: x.a // x.b * 1000000 + (x.a % x.b * 2000000 + x.b) // (x.b * 2)
    ).list_transform(
        lambda m: (m // 1000000000000)::DECIMAL(38,12)
            + ((m % 1000000000000)::DECIMAL(38,12) * 0.000000000001)::DECIMAL(38,12)
    )[1] * (sign(numerator) * sign(denominator))::DECIMAL(1,0)
)::DECIMAL(38,12)
