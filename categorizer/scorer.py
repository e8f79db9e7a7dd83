"""The serving form of the model.

A model is a folder: `manifest.json` and one `.npy` file for each array. The manifest holds

    format       1
    version      whole number of this model
    taxonomy     {"version", "hash"}: of `taxonomy.load()`
    features     {"version", "wordings"}: `features.VERSION`, `wordings.load().content_hash`
    calibration  {"confidence": [0.0, ..., 1.0], "calibrated": [...]}: a rising line of points
                 that maps the probability of the likeliest primary to what it is worth
    threshold    calibrated confidence below which a row of a rule or the model needs review
    metrics      whatever was measured
    files        {file name: sha256 in hex}

and the arrays are those of `weights.export`, plus `mcc_codes` (int16, shape (10000,), index of
the detailed code that a merchant category code settles, -1 where it settles none) and
`mcc_confidences` (float32, the same shape).
"""
