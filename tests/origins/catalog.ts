/** One film as the catalog keeps it; everything else that the origin answers is derived from it. */
export interface Film {
  readonly id: number;
  readonly title: string;
  readonly originalTitle: string;
  readonly originalLanguage: string;
  readonly releaseDate: string;
  readonly runtimeMinutes: number;
  readonly genreIds: readonly number[];
  /** Text of the number as it stands in the JSON: `7.0` stays `7.0`. */
  readonly voteAverage: string;
  readonly voteCount: number;
  /** Text of the number; one film has more than 2^53 of it. */
  readonly revenue: string;
  readonly imdbId: string;
}

/** One series. */
export interface Series {
  readonly id: number;
  readonly name: string;
  readonly firstAirDate: string;
  readonly seasons: number;
  readonly episodesASeason: number;
  readonly genreIds: readonly number[];
  readonly voteAverage: string;
  readonly voteCount: number;
  readonly tvdbId: number;
}

/** One person. */
export interface Person {
  readonly id: number;
  readonly name: string;
  readonly department: "Acting" | "Directing" | "Writing";
  readonly birthday: string;
}

/** Genre names by id. */
export const genres: ReadonlyMap<number, string> = new Map([
  [28, "Action"],
  [12, "Adventure"],
  [16, "Animation"],
  [35, "Comedy"],
  [80, "Crime"],
  [18, "Drama"],
  [14, "Fantasy"],
  [27, "Horror"],
  [10749, "Romance"],
  [878, "Science Fiction"],
  [53, "Thriller"],
]);

type FilmRow = readonly [
  id: number,
  title: string,
  releaseDate: string,
  runtimeMinutes: number,
  genreIds: readonly number[],
  voteAverage: string,
  voteCount: number,
  original?: readonly [language: string, title: string],
];

const filmRows: readonly FilmRow[] = [
  [550, "Fight Club", "1999-10-15", 139, [18, 53], "8.4", 30000],
  [603, "The Matrix", "1999-03-31", 136, [28, 878], "8.2", 26500],
  [27205, "Inception", "2010-07-15", 148, [28, 878, 12], "8.4", 37800],
  [157336, "Interstellar", "2014-11-05", 169, [12, 18, 878], "8.5", 37100],
  [155, "The Dark Knight", "2008-07-16", 152, [18, 28, 80, 53], "8.5", 33800],
  [13, "Forrest Gump", "1994-06-23", 142, [35, 18, 10749], "8.5", 28000],
  [680, "Pulp Fiction", "1994-09-10", 154, [53, 80], "8.5", 28600],
  [238, "The Godfather", "1972-03-14", 175, [18, 80], "8.7", 21400],
  [278, "The Shawshank Redemption", "1994-09-23", 142, [18, 80], "8.7", 28100],
  [120, "The Lord of the Rings: The Fellowship of the Ring", "2001-12-18", 179, [12, 14, 28], "8.4", 25800],
  [11, "Star Wars", "1977-05-25", 121, [12, 28, 878], "8.2", 21000],
  [1891, "The Empire Strikes Back", "1980-05-20", 124, [12, 28, 878], "8.4", 17500],
  [129, "Spirited Away", "2001-07-20", 125, [16, 14], "8.5", 16900, ["ja", "千と千尋の神隠し"]],
  [372058, "Your Name.", "2016-08-26", 106, [16, 10749, 18], "8.5", 11700, ["ja", "君の名は。"]],
  [496243, "Parasite", "2019-05-30", 133, [35, 53, 18], "8.5", 18900, ["ko", "기생충"]],
  [194, "Amélie", "2001-04-25", 122, [35, 10749], "7.9", 11500, ["fr", "Le Fabuleux Destin d'Amélie Poulain"]],
  [637, "Life Is Beautiful", "1997-12-20", 116, [35, 18], "8.4", 13200, ["it", "La vita è bella"]],
  [329, "Jurassic Park", "1993-06-11", 127, [12, 878], "8.0", 16500],
  [597, "Titanic", "1997-11-18", 194, [18, 10749], "7.9", 25800],
  [19995, "Avatar", "2009-12-15", 162, [28, 12, 14, 878], "7.6", 31800],
  [24428, "The Avengers", "2012-04-25", 143, [878, 28, 12], "7.7", 31200],
  [105, "Back to the Future", "1985-07-03", 116, [12, 35, 878], "8.3", 20200],
  [862, "Toy Story", "1995-11-22", 81, [16, 12, 35], "8.0", 18600],
  [78, "Blade Runner", "1982-06-25", 118, [878, 18, 53], "7.9", 14000],
  [348, "Alien", "1979-05-25", 117, [27, 878], "8.2", 15000],
  [769, "GoodFellas", "1990-09-12", 145, [18, 80], "8.5", 13100],
  [807, "Se7en", "1995-09-22", 127, [80, 53], "8.4", 21600],
  [274, "The Silence of the Lambs", "1991-02-14", 119, [80, 18, 53], "8.3", 16900],
  [389, "12 Angry Men", "1957-04-10", 97, [18], "8.5", 9100],
  [539, "Psycho", "1960-06-22", 109, [27, 18, 53], "8.4", 10300],
  [62, "2001: A Space Odyssey", "1968-04-02", 149, [878, 12], "8.1", 12000],
  [9000001, "The Long Number", "2020-02-29", 61, [35], "7.0", 12],
];

type SeriesRow = readonly [
  id: number,
  name: string,
  firstAirDate: string,
  seasons: number,
  episodesASeason: number,
  genreIds: readonly number[],
  voteAverage: string,
  voteCount: number,
];

const seriesRows: readonly SeriesRow[] = [
  [1399, "Game of Thrones", "2011-04-17", 8, 10, [18, 12, 14], "8.5", 25000],
  [1396, "Breaking Bad", "2008-01-20", 5, 13, [18, 80], "8.9", 15600],
  [66732, "Stranger Things", "2016-07-15", 4, 8, [18, 14], "8.6", 18100],
  [1668, "Friends", "1994-09-22", 10, 24, [35], "8.4", 8500],
  [94605, "Arcane", "2021-11-06", 2, 9, [16, 12, 28], "8.8", 4800],
  [100088, "The Last of Us", "2023-01-15", 2, 9, [18], "8.5", 6200],
  [1438, "The Wire", "2002-06-02", 5, 12, [80, 18], "8.6", 2300],
  [1398, "The Sopranos", "1999-01-10", 6, 13, [18], "8.6", 3000],
  [2316, "The Office", "2005-03-24", 9, 22, [35], "8.6", 4500],
  [60059, "Better Call Saul", "2015-02-08", 6, 10, [80, 18], "8.7", 5800],
  [87108, "Chernobyl", "2019-05-06", 1, 5, [18], "8.7", 6700],
  [82856, "The Mandalorian", "2019-11-12", 3, 8, [28, 12], "8.4", 10600],
  [42009, "Black Mirror", "2011-12-04", 7, 6, [878, 18], "8.3", 5600],
  [60574, "Peaky Blinders", "2013-09-12", 6, 6, [18, 80], "8.5", 10600],
  [30984, "Bleach", "2004-10-05", 1, 366, [16, 28], "8.4", 2000],
  [37854, "One Piece", "1999-10-20", 22, 50, [16, 12, 35], "8.7", 5000],
];

/** People; films and series draw their casts from this list. */
export const people: readonly Person[] = ([
  [287, "Brad Pitt", "Acting", "1963-12-18"],
  [819, "Edward Norton", "Acting", "1969-08-18"],
  [1283, "Helena Bonham Carter", "Acting", "1966-05-26"],
  [7467, "David Fincher", "Directing", "1962-08-28"],
  [6384, "Keanu Reeves", "Acting", "1964-09-02"],
  [2975, "Laurence Fishburne", "Acting", "1961-07-30"],
  [530, "Carrie-Anne Moss", "Acting", "1967-08-21"],
  [6193, "Leonardo DiCaprio", "Acting", "1974-11-11"],
  [24045, "Joseph Gordon-Levitt", "Acting", "1981-02-17"],
  [525, "Christopher Nolan", "Directing", "1970-07-30"],
  [31, "Tom Hanks", "Acting", "1956-07-09"],
  [138, "Quentin Tarantino", "Directing", "1963-03-27"],
  [239019, "Kit Harington", "Acting", "1986-12-26"],
  [1223786, "Emilia Clarke", "Acting", "1986-10-23"],
  [22970, "Peter Dinklage", "Acting", "1969-06-11"],
  [17419, "Bryan Cranston", "Acting", "1956-03-07"],
  [84497, "Aaron Paul", "Acting", "1979-08-27"],
  [608, "Hayao Miyazaki", "Directing", "1941-01-05"],
  [488, "Steven Spielberg", "Directing", "1946-12-18"],
  [1, "George Lucas", "Directing", "1944-05-14"],
  [3894, "Christian Bale", "Acting", "1974-01-30"],
  [10297, "Matthew McConaughey", "Acting", "1969-11-04"],
  [1813, "Anne Hathaway", "Acting", "1982-11-12"],
  [10205, "Sigourney Weaver", "Acting", "1949-10-08"],
] as const).map(([id, name, department, birthday]) => ({ id, name, department, birthday }));

/** Films, the ones with real numbers as TMDB knows them; votes and money are invented. */
export const films: readonly Film[] = filmRows.map(toFilm);

/** Series. */
export const series: readonly Series[] = seriesRows.map(toSeries);

/** Titles in other languages: the origin answers differently for another `language`. */
export const translatedTitles: ReadonlyMap<string, string> = new Map([
  ["550:zh-CN", "搏击俱乐部"],
  ["550:de-DE", "Fight Club (Deutsch)"],
  ["603:zh-CN", "黑客帝国"],
  ["603:fr-FR", "Matrix"],
  ["27205:zh-CN", "盗梦空间"],
  ["1399:zh-CN", "权力的游戏"],
  ["1396:zh-CN", "绝命毒师"],
]);

function toFilm([id, title, releaseDate, runtimeMinutes, genreIds, voteAverage, voteCount, original]: FilmRow): Film {
  return {
    id,
    title,
    originalTitle: original?.[1] ?? title,
    originalLanguage: original?.[0] ?? "en",
    releaseDate,
    runtimeMinutes,
    genreIds,
    voteAverage,
    voteCount,
    // One film earns 2^53 + 1: a gateway that parses and rewrites JSON alters it.
    revenue: id === 9000001 ? "9007199254740993" : String(voteCount * 10007),
    imdbId: id === 550 ? "tt0137523" : `tt${String(id).padStart(7, "0")}`,
  };
}

function toSeries([id, name, firstAirDate, seasons, episodesASeason, genreIds, voteAverage, votes]: SeriesRow): Series {
  const tvdbId = id === 1399 ? 121361 : 200000 + id;
  return { id, name, firstAirDate, seasons, episodesASeason, genreIds, voteAverage, voteCount: votes, tvdbId };
}
