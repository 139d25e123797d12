"""What a trained model's answers say: metrics, and the evidence a report shows."""
