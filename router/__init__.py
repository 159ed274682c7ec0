"""The ground floor: records, protocols, errors, the loop and its plain driver, estimators."""
