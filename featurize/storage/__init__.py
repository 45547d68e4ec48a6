"""Tables as folders of Parquet parts: their contracts, the parts themselves, who may write, and the analyst's views."""
