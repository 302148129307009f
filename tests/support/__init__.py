"""What the tests with foreign clients share: a mesh of their own, calls by reflection, and Kafka by kcat."""
