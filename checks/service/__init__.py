"""Services as a Windows node serves them: node ports above all."""
