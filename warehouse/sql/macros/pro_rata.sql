-- value × part / whole, as exact as 18 decimals can say it: what a part of something costs.
-- Rounded half away from zero; all of it (part = whole) is value itself, so that the parts of a
-- whole, taken one after another as differences, add up to it. Null for a whole of 0, and where it
-- does not fit (a whole above 10^19).
--
-- sources:
-- parameters:
--   value    DECIMAL     at most 18 decimals
--   part     DECIMAL     0 or more, at most 12 decimals
--   whole    DECIMAL     at most 12 decimals
-- returns: DECIMAL(38,18)
TRY(
    -- long division by hand: the product has more digits than any number type
    list_transform(
        [{
            'digits': lpad(replace(abs(value)::DECIMAL(38,18)::VARCHAR, '.', ''), 42, '0'),
            'part': replace(part::DECIMAL(38,12)::VARCHAR, '.', '')::HUGEINT,
            'whole': nullif(replace(whole::DECIMAL(38,12)::VARCHAR, '.', '')::HUGEINT, 0)
        }],
        lambda x: list_reduce(
            list_transform(
                [1, 7, 13, 19, 25, 31, 37],
                lambda i: {'quotient': x.digits[i:i + 5]::HUGEINT, 'rest': 0::HUGEINT}
            ),
            lambda sum, six: {
                'quotient': sum.quotient * 1000000
                    + (sum.rest * 1000000 + six.quotient * x.part) // x.whole,
                'rest': (sum.rest * 1000000 + six.quotient * x.part) % x.whole
            },
            {'quotient': 0::HUGEINT, 'rest': 0::HUGEINT}
        ).struct_insert(whole := x.whole)
    ).list_transform(
        lambda y: lpad((y.quotient + y.rest * 2 // y.whole)::DECIMAL(38,0)::VARCHAR, 38, '0')
    ).list_transform(
        lambda z: (z[:20] || '.' || z[21:])::DECIMAL(38,18)
    )[1] * sign(value)::DECIMAL(1,0)
)::DECIMAL(38,18)
