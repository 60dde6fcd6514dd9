"""`python -m ganfeat.data.synthfaces --grid out.png`."""

from ganfeat.data.synthfaces.grid import main

main()
