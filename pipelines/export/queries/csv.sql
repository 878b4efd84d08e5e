-- How values are written in CSV: nothing for NULL, "" for the empty text, decimals in plain
-- notation without trailing zeros, times as ISO 8601 in UTC.
CREATE TEMP MACRO csv_text(value) AS
    CASE
        WHEN value = '' OR value <> trim(value) OR regexp_matches(value, '[,"\r\n]')
            THEN '"' || replace(value, '"', '""') || '"'
        ELSE value
    END;
CREATE TEMP MACRO csv_decimal(value) AS
    if(contains(value::VARCHAR, '.'), rtrim(rtrim(value::VARCHAR, '0'), '.'), value::VARCHAR);
CREATE TEMP MACRO csv_time(value) AS
    rtrim(rtrim(strftime(value AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%f'), '0'), '.') || 'Z';
-- For spreadsheets: what they would take for a formula, also in wide letters, is text after a quote.
CREATE TEMP MACRO csv_no_formula(value) AS
    if(regexp_matches(value, '^[-=+@\t\r\n＝＋－＠]'), '''' || value, value);
