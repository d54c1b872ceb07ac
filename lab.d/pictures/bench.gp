set logscale x
set xrange [0.1:150000]
set yrange [rows + 0.6:0.4]
set xtics ('0.1' 0.1, '1' 1, '10' 10, '100' 100, '1000' 1000, '10000' 10000, 'never' 100000)
set xlabel 'ms; median, and the range of all runs'
set border 3 linecolor rgb '#444444'
set tics nomirror out scale 0.5
set grid xtics ytics linecolor rgb '#dddddd' dashtype 1
set key outside top center horizontal
set lmargin 30
set style line 1 linecolor rgb '#777777' linewidth 2 pointtype 4 pointsize 1.1
set style line 2 linecolor rgb '#000000' linewidth 2 pointtype 7 pointsize 1.1
plot data using 3:($1 - 0.12):6:7:ytic(2) with xerrorbars linestyle 1 title 'stock', \
     data using 4:($1 + 0.12):8:9 with xerrorbars linestyle 2 title 'patched'
