# Readable in black and white: one line solid with circles, one dashed with squares.
set style line 1 linecolor rgb '#000000' linewidth 1.8 dashtype 1 pointtype 6 pointsize 0.5 pointinterval 20
set style line 2 linecolor rgb '#555555' linewidth 1.8 dashtype (6,4) pointtype 5 pointsize 0.5 pointinterval 20
set border 3 linecolor rgb '#444444'
set tics nomirror out scale 0.5
set grid ytics linecolor rgb '#dddddd' dashtype 1
set xrange [-0.5:4.5]
set yrange [0:512]
set ytics 0,100
set xtics 0,1
# The kill.
set arrow 1 from 0, graph 0 to 0, graph 1 nohead dashtype 3 linecolor rgb '#000000' linewidth 1
# The key, which only the first panel draws.
unset key
set arrow 2 from screen 0.30, screen 0.965 to screen 0.34, screen 0.965 nohead linestyle 1
set label 'free memory' at screen 0.345, screen 0.965
set arrow 3 from screen 0.52, screen 0.965 to screen 0.56, screen 0.965 nohead linestyle 2
set label 'memory that the hog has' at screen 0.565, screen 0.965
