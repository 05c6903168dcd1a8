"""Given names common in Germany and among its neighbours, without those that are everyday words (Mark, Ernst, Rose, Heide)."""

_NAMES = """
Aaron Achim Ada Adam Adele Adelheid Adina Adrian Adriana Agata Agnes Agnieszka Ahmad Ahmed Aileen Aisha Alaa Albert
Albrecht Aleksander Aleksandra Alessandro Alexander Alexandra Alexej Alexis Alfons Alfred Ali Alice Alicia Alina Alisa
Amelie Amina Amir Andre André Andrea Andreas Andrej Andrzej Anett Anette Angela Angelika Angelina Anika Anita Anja Anka
Anke Anna Annalena Anne Annegret Annelie Anneliese Annelore Annemarie Annett Annette Anni Annika Anton Antonia Antonio
Ariane Armin Arne Arnold Arthur Artur Astrid August Axel Ayse Ayşe Barbara Bastian Beate Beatrice Beatrix Ben Benedikt
Benjamin Benno Bernadette Bernd Bernhard Bert Berta Berthold Bettina Bianca Birgit Birgitta Björn Bodo Bogdan Boris
Brigitte Britta Bruno Burkhard Camilla Carina Carl Carla Carlo Carlos Carmen Carola Carolin Caroline Carsten Catharina
Cathrin Cecilia Celina Charlotte Chiara Chris Christa Christel Christian Christiane Christin Christina Christine
Christof Christoph Christopher Clara Claudia Claudio Claus Clemens Conny Constanze Cordula Corinna Cornelia Cornelius
Dagmar Damian Daniel Daniela Daria Dariusz David Denis Denise Dennis Detlef Detlev Diana Dieter Dietmar Dietrich Dirk
Dmitri Dominic Dominik Dominique Doreen Doris Dorothea Dorothee Dorota Eberhard Eckart Eckhard Edeltraud Edgar Edith
Eduard Egon Ekaterina Ekkehard Elena Eleonore Elfriede Elias Elisa Elisabeth Elke Ella Ellen Elli Elmar Elsa Else Emil
Emilia Emily Emma Emre Enrico Erhard Eric Erich Erik Erika Erna Erwin Esther Eugen Eva Evelin Evelyn Ewa Fabian Falk
Fatima Fatma Felicitas Felix Ferdinand Finn Florentine Florian Franca Francesca Francesco Franka Franz Franziska Frauke
Fred Frederik Fridolin Frieda Friederike Friedhelm Friedrich Fritz Gabi Gabriel Gabriela Gabriele Georg Gerald Gerd
Gerda Gerhard Gerlinde Gernot Gert Gertrud Gesa Gesine Gilbert Gina Gisela Giulia Giuseppe Gottfried Gregor Greta Grit
Grzegorz Gudrun Guido Günter Günther Gunnar Gustav Hanna Hannah Hannelore Hannes Hans Harald Harry Hartmut Hassan Hedwig
Heiko Heinz Heinrich Helena Helene Helga Helge Helmut Henning Henri Henrik Henry Herbert Heribert Hermann Herta Hilda
Hilde Hildegard Hinrich Holger Horst Hubert Hugo Ibrahim Ida Ilja Ilona Ilse Imke Ina Ines Inga Inge Ingeborg Ingo
Ingolf Ingrid Inka Irena Irene Irina Irmgard Isabel Isabell Isabella Isabelle Ivan Ivana Ivo Jacek Jacqueline Jakob
Jakub James Jan Jana Jane Janet Janina Janine Janis Janna Jannes Jannik Jannis Jaqueline Jaroslav Jasmin Jean Jeanette
Jennifer Jenny Jens Jessica Jim Joachim Joanna Jochen Johann Johanna Johannes John Jolanta Jonas Jonathan Jörg Jörn
Josef Josefine Joseph Josephine Judith Jule Julia Julian Juliane Julius Jürgen Justin Justus Jutta Kai Karen Karim Karin
Karina Karl Karla Karlheinz Karola Karolina Karoline Karsten Katarina Katarzyna Katharina Käthe Kathleen Kathrin Katja
Katrin Kerstin Kevin Khaled Kilian Kim Kirsten Klara Klaus Konrad Konstantin Kornelia Krystyna Krzysztof Kurt Lara
Larissa Lars Laura Lea Leander Lena Leni Lennard Lennart Leo Leon Leonard Leonhard Leonie Leopold Liam Liane Lilli Lilly
Lina Linda Linus Lisa Lisbeth Liselotte Lola Lorenz Lothar Louis Louisa Louise Luca Lucas Lucia Lucie Lucy Ludger Ludwig
Luis Luisa Luise Lukas Luka Lutz Lydia Magda Magdalena Mahmoud Maik Maike Maja Malgorzata Małgorzata Malte Mandy Manfred
Manja Manuel Manuela Mara Marc Marcel Marco Marcus Marek Maren Margarete Margarita Margit Margot Margret Margrit Maria
Marian Marianne Mariella Marie Marieke Marija Marika Marina Mario Marion Marit Markus Marlene Marlies Marta Martha
Martin Martina Marvin Mateusz Mathias Mathilda Mathilde Matteo Matthew Matthias Mattis Maurice Max Maximilian Maxim
Mehmet Meike Melanie Melissa Mia Michael Michaela Michail Michal Michel Michelle Miguel Mika Mike Mila Milan Milena Mina
Mira Miriam Mirjam Mirko Mohamed Mohammad Mohammed Mona Monika Monique Moritz Muhammad Mustafa Nadia Nadine Nadja Nanu
Natalia Natalie Natascha Nele Nelli Nico Nicola Nicolas Nicole Niels Niklas Niko Nikolai Nikolaus Nils Nina Noah Noel
Nora Norbert Norman Oksana Olaf Ole Oleg Olena Olga Oliver Olivia Oskar Osman Ottilie Otto Paola Pascal Patricia Patrick
Paul Paula Pauline Pavel Pawel Peer Peggy Petar Peter Petra Philip Philipp Philippa Pia Pierre Piotr Rafael Rahel
Raimund Rainald Rainer Ralf Ralph Ramona Raphael Rebecca Regina Regine Reiner Reinhard Reinhold Renata Renate Rene René
Ricarda Riccardo Richard Rico Robert Roberto Robin Roger Roland Rolf Roman Romy Ronald Ronja Ronny Rosa Rosemarie
Roswitha Rüdiger Rudi Rudolf Ruth Sabina Sabine Sabrina Samira Samuel Sandra Sandro Sandy Sara Sarah Sascha Saskia
Sebastian Selina Serge Sergej Severin Sibylle Siegfried Siegmund Sieglinde Sigrid Silas Silke Silvana Silvia Silvio
Simon Simona Simone Sina Sofia Sofie Solveig Sonja Sophia Sophie Stanislaw Stefan Stefanie Steffen Steffi Stella Stephan
Stephanie Susan Susann Susanna Susanne Sven Svenja Svetlana Swen Sylvia Tamara Tania Tanja Tatjana Theodor Theresa
Therese Thilo Thomas Thorben Thorsten Tilman Tim Timm Timo Tina Tino Tobias Tom Tomas Tomasz Torben Torsten Traute Udo
Ulf Uli Ulla Ulrich Ulrike Ursel Ursula Uta Ute Uwe Vadim Valentin Valentina Valeria Vanessa Vera Verena Veronika Victor
Victoria Viktor Viktoria Vincent Viola Vitali Viviane Vivien Volker Volkmar Wanda Waldemar Walter Walther Waltraud Wenke
Werner Wibke Wiebke Wilfried Wilhelm Wilhelmine Willi Willy Winfried Wladimir Wojciech Wolfgang Wolfram Xaver Yannick
Yasemin Yasmin Yusuf Yvette Yvonne Zoe Zofia
"""

GIVEN_NAMES = frozenset(_NAMES.split())
