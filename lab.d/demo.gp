# Readable in black and white: one line solid with circles, one dashed with squares.
set style line 1 linecolor rgb '#000000' linewidth 1.8 dashtype 1 pointtype 6 pointsize 0.5 pointinterval 40
set style line 2 linecolor rgb '#555555' linewidth 1.8 dashtype (6,4) pointtype 5 pointsize 0.5 pointinterval 40
set border 3 linecolor rgb '#444444'
set tics nomirror out scale 0.5
set grid ytics linecolor rgb '#dddddd' dashtype 1
set xrange [-0.5:4.5]
set yrange [0:*<450]
set xtics 0,1
# The kill.
set arrow from 0, graph 0 to 0, graph 1 nohead dashtype 3 linecolor rgb '#000000' linewidth 1
