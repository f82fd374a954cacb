#!/usr/bin/perl
# Writes the character tables of the text rules `text.v1`, pinned to Unicode 14.0.0:
#
#   src/domain/text/tables.rs   one table of ranges with flags, and the scripts' table
#   docs/text-v1-tables.md      the same sets one by one, for the author of another verifier
#
#   perl tests/generate/text_tables.pl            write both
#   perl tests/generate/text_tables.pl --check    exit 1 if either differs from what would be written
#
# Exit 75: this Perl carries another version of Unicode, nothing was written. Perl 5.36 of Debian 12 carries the right one.
use strict;
use warnings;
use File::Basename qw(dirname);
use Unicode::UCD qw(prop_invlist prop_invmap);

my $wanted = '14.0.0';
my $have   = Unicode::UCD::UnicodeVersion();
if ($have ne $wanted) {
    print STDERR "this Perl carries Unicode $have and the text rules need $wanted: use Perl 5.36 (Debian 12)\n";
    exit 75;
}
my $check = 0;
for my $argument (@ARGV) {
    if ($argument eq '--check') { $check = 1 }
    else { print STDERR "usage: $0 [--check]\n"; exit 64 }
}

# A set is a string of 0x110000 bytes, one for each code point: simple, and fast enough.
my $SIZE = 0x110000;
sub none { return "\0" x $SIZE }

sub of_ranges {
    my $set = none();
    for my $range (@_) {
        my ($from, $to) = ref $range ? @$range : ($range, $range);
        substr($set, $from, $to - $from + 1) = "\1" x ($to - $from + 1);
    }
    return $set;
}

sub property {
    my ($expression) = @_;
    my @list = prop_invlist($expression);
    die "no such property: $expression" unless @list;
    push @list, $SIZE if @list % 2;
    my @ranges;
    while (my ($from, $end) = splice @list, 0, 2) { push @ranges, [$from, $end - 1] }
    return of_ranges(@ranges);
}
sub either { my $set = none(); $set |= $_ for @_; return $set }
sub both { my ($set, @more) = @_; $set &= $_ for @more; return $set }
sub without { my ($set, @less) = @_; my $gone = either(@less); return $set & ($gone ^ ("\1" x $SIZE)) }

sub ranges {
    my ($set) = @_;
    my @ranges;
    while ($set =~ /\x01+/g) { push @ranges, [$-[0], $+[0] - 1] }
    return @ranges;
}

# Which script each code point has, by name. The property is Script, not Script_Extensions.
my ($starts, $names) = prop_invmap('Script');
my %script;
for my $i (0 .. $#$starts) {
    my $end = $i < $#$starts ? $starts->[ $i + 1 ] : $SIZE;
    push @{ $script{ $names->[$i] } }, [ $starts->[$i], $end - 1 ];
}
my %script_set = map { $_ => of_ranges(@{ $script{$_} }) } keys %script;
my $common  = either(map { $script_set{$_} } qw(Common Inherited Unknown));
my @scripts = sort grep { !/^(Common|Inherited|Unknown)$/ } keys %script;

sub scripts_that_have {
    my ($set) = @_;
    return grep { both($script_set{$_}, $set) =~ /\x01/ } @scripts;
}

my $noncharacters = of_ranges([ 0xFDD0, 0xFDEF ], map { [ ($_ << 16) + 0xFFFE, ($_ << 16) + 0xFFFF ] } 0 .. 16);
my $surrogates    = property('General_Category=Cs');
# Assigned: every code point but Cn and Cs. Private use and controls are in it and refused by name.
my $assigned = without("\1" x $SIZE, property('General_Category=Cn'), $surrogates);

my %kind = (
    CONTROL => property('General_Category=Cc'),
    # U+2800 draws nothing, whatever its category says.
    SPACE        => without(either(property('General_Category=Zs'), of_ranges(0x2800)), of_ranges(0x20, 0xA0, 0x202F, 0x3000)),
    SEPARATOR    => of_ranges([ 0x2028, 0x2029 ]),
    BIDI         => of_ranges([ 0x202A, 0x202E ], [ 0x2066, 0x2069 ]),
    TAG          => of_ranges(0xE0001, [ 0xE0020, 0xE007F ]),
    PRIVATE      => property('General_Category=Co'),
    SPECIAL      => of_ranges([ 0xFFF9, 0xFFFD ]),
    EMOJI        => of_ranges(0x20E3, [ 0xFE0E, 0xFE0F ], [ 0x1F1E6, 0x1F1FF ], [ 0x1F3FB, 0x1F3FF ]),
    JOINER       => of_ranges([ 0x200C, 0x200D ]),
    MARK         => of_ranges(0x061C, [ 0x200E, 0x200F ]),
    MONGOLIAN_VS => of_ranges([ 0x180B, 0x180D ], 0x180F),
    HAN_VS       => of_ranges([ 0xFE00, 0xFE02 ], [ 0xE0100, 0xE01EF ]),
    ZWSP         => of_ranges(0x200B),
    NONCHARACTER => $noncharacters,
);
# Default-ignorable and not named above; U+16FE4 and U+1D159 draw nothing either.
my $ignorable = both(property('Default_Ignorable_Code_Point=Y'), $assigned);
$kind{INVISIBLE} = without(either($ignorable, of_ranges(0x16FE4, 0x1D159)), values %kind);

my $letters = property('General_Category=L');
my $marks   = property('General_Category=M');
my $digits  = property('General_Category=Nd');
my $joining = either(map { property("Joining_Type=$_") } qw(D R L));
my $virama  = either(map { property("Indic_Syllabic_Category=$_") } qw(Virama Invisible_Stacker));
my @joining = scripts_that_have($joining);
my @brahmic = scripts_that_have($virama);
sub in_scripts { return either(map { $script_set{$_} } @_) }

my %set = (
    # A Persian number takes ZWNJ before its ending, so digits of the joining scripts count.
    JOINER_BASES => without(
        either(
            both(either($letters, $marks, $digits), in_scripts(@joining)),
            both(either($letters, $marks), in_scripts(@brahmic)),
            of_ranges(0x0640),
        ),
        $ignorable
    ),
    TRANSPARENT       => either(map { property("General_Category=$_") } qw(Mn Me)),
    ZWSP_BASES        => without(both($assigned, in_scripts(qw(Khmer Lao Myanmar Thai))), $ignorable),
    MONGOLIAN_LETTERS => both($letters, $script_set{Mongolian}),
    IDEOGRAPHS        => property('Unified_Ideograph=Y'),
    WORD              => without(either($letters, $marks, $digits), $ignorable),
    # A text without any of these is in NFC: all starters, all with a quick check of Yes.
    NORMALISED => both(without("\1" x $SIZE, both(property('Canonical_Combining_Class=0'), property('NFC_Quick_Check=Y'))), $assigned),
    RIGHT_TO_LEFT => both(either(map { property("Bidi_Class=$_") } qw(R AL AN)), $assigned),
    COMBINING     => $marks,
    # Not every mark of Canonical_Combining_Class 1: those of Vedic, Bassa Vah and the like are letters' own.
    OVERLAYS => of_ranges([ 0x0334, 0x0338 ], [ 0x20D2, 0x20D3 ], [ 0x20D8, 0x20DA ], 0x20E0, [ 0x20E5, 0x20EB ]),
);

my @kinds = qw(CONTROL SPACE SEPARATOR BIDI TAG INVISIBLE PRIVATE SPECIAL EMOJI JOINER MARK MONGOLIAN_VS HAN_VS ZWSP NONCHARACTER);
my @flags = qw(JOINER_BASES TRANSPARENT ZWSP_BASES MONGOLIAN_LETTERS IDEOGRAPHS WORD NORMALISED RIGHT_TO_LEFT COMBINING OVERLAYS);
my %about = (
    CONTROL           => 'Control characters (General_Category Cc). Only U+000A may stand in a text.',
    SPACE             => 'Spaces other than U+0020, U+00A0, U+202F and U+3000, and U+2800, which draws nothing. Refused.',
    SEPARATOR         => 'Line and paragraph separator. Refused.',
    BIDI              => 'Bidirectional embeddings, overrides and isolates. Refused.',
    TAG               => 'Tag characters. Refused.',
    INVISIBLE         => 'Every other default-ignorable character, and two that draw nothing. Refused.',
    PRIVATE           => 'Private use (General_Category Co). Refused.',
    SPECIAL           => 'Annotation and replacement characters. Refused.',
    EMOJI             => 'What emoji sequences are made with: keycap, presentation selectors, regional indicators, skin tones. Refused.',
    JOINER            => 'ZWNJ and ZWJ. Allowed in context.',
    MARK              => 'Direction marks. Allowed in right-to-left texts and in lines, in context.',
    MONGOLIAN_VS      => 'Variation selectors of Mongolian. Allowed directly after one of MONGOLIAN_LETTERS.',
    HAN_VS            => 'Variation selectors of Han. Allowed directly after one of IDEOGRAPHS.',
    ZWSP              => 'Zero width space. Allowed in context.',
    NONCHARACTER      => 'Noncharacters. Refused.',
    JOINER_BASES      => 'What a joiner may follow. Letters (L), marks (M) and digits (Nd) of the scripts that have a character of Joining_Type D, R or L ('
      . join(', ', map { tr/_/ /r } @joining)
      . '); letters and marks of the scripts that have one of Indic_Syllabic_Category Virama or Invisible_Stacker ('
      . join(', ', map { tr/_/ /r } @brahmic)
      . '); and U+0640. Default-ignorable characters are left out.',
    TRANSPARENT       => 'Marks that may stand between such a character and the joiner: General_Category Mn and Me.',
    ZWSP_BASES        => 'What U+200B may follow: every assigned character with Script Khmer, Lao, Myanmar or Thai that is not default-ignorable.',
    MONGOLIAN_LETTERS => 'Letters (L) with Script Mongolian.',
    IDEOGRAPHS        => 'Unified_Ideograph.',
    COMBINING         => 'Combining marks: General_Category Mn, Mc and Me. They stand on a base, and not too many of them.',
    OVERLAYS          => 'Combining marks that strike through what they stand on or lie over it, and their neighbours U+20E7 to U+20E9. Refused.',
    WORD              => 'What words are made of: letters (L), marks (M) and digits (Nd) that are not default-ignorable. A ZWNJ must be followed by one.',
);

# ---- the Rust table

die 'an overlay is no combining mark' if without($set{OVERLAYS}, $set{COMBINING}) =~ /\x01/;
my %value;
$value{ $kinds[$_] } = $_ + 1 for 0 .. $#kinds;
$value{ $flags[$_] } = 0x10 << $_ for 0 .. $#flags;
my @value = (0) x $SIZE;
for my $name (@kinds) {
    for my $range (ranges($kind{$name})) {
        for my $c ($range->[0] .. $range->[1]) {
            die sprintf('U+%04X is of two kinds', $c) if $value[$c];
            $value[$c] = $value{$name};
        }
    }
}
for my $name (@flags) {
    for my $range (ranges($set{$name})) { $value[$_] |= $value{$name} for $range->[0] .. $range->[1] }
}
my $listed = either($assigned, $noncharacters);
my @table;
for my $range (ranges($listed)) {
    my $from = $range->[0];
    for my $c ($range->[0] .. $range->[1]) {
        next unless $c == $range->[1] or $value[ $c + 1 ] != $value[$c];
        push @table, [ $from, $c, $value[$c] ];
        $from = $c + 1;
    }
}

# Scripts, for the characters of words only; a gap that is no word character does not split a range.
my (@script_of, @script_table);
for my $i (0 .. $#scripts) {
    for my $range (ranges(both($script_set{ $scripts[$i] }, $set{WORD}))) { push @script_table, [ @$range, $i ] }
}
@script_table = sort { $a->[0] <=> $b->[0] } @script_table;
my @joined;
for my $row (@script_table) {
    my $last = @joined ? $joined[-1] : undef;
    if ($last and $last->[2] == $row->[2] and substr($set{WORD}, $last->[1] + 1, $row->[0] - $last->[1] - 1) !~ /\x01/) {
        $last->[1] = $row->[1];
    }
    else { push @joined, [@$row] }
}
@script_table = @joined;

sub packed {
    my ($per_line, @cells) = @_;
    my $out = '';
    while (my @row = splice @cells, 0, $per_line) { $out .= '    ' . join(' ', map { "$_," } @row) . "\n" }
    return $out;
}

my $rust = <<'END';
//! Character tables of `text.v1`, Unicode 14.0.0. Generated, not to be edited:
//!
//! ```text
//! perl tests/generate/text_tables.pl
//! ```

END
$rust .= "/// The version of Unicode that the tables are pinned to.\npub const UNICODE: &str = \"$wanted\";\n\n";
$rust .= "/// The low bits of a value in [`CHARACTERS`]: what kind of character it is, 0 for an ordinary one.\npub(super) const KIND: u16 = 0x0F;\n";
$rust .= sprintf("pub(super) const %s: u16 = %d;\n", $_, $value{$_}) for @kinds;
$rust .= "\n";
for my $name (@flags) {
    $rust .= "/// $about{$name}\n" if $about{$name} and $name ne 'JOINER_BASES';
    $rust .= "/// What ZWJ and ZWNJ may follow.\n" if $name eq 'JOINER_BASES';
    $rust .= "/// Not a starter, or without a quick check of Yes: a text with none of these is in NFC.\n" if $name eq 'NORMALISED';
    $rust .= "/// Bidi_Class R, AL or AN.\n" if $name eq 'RIGHT_TO_LEFT';
    $rust .= sprintf("pub(super) const %s: u16 = 0x%03X;\n", $name, $value{$name});
}
$rust .= "\n/// First and last code point of a range, and the kind and flags of its characters. What is in no range is not assigned.\n";
$rust .= "#[rustfmt::skip]\npub(super) static CHARACTERS: [(u32, u32, u16); " . scalar(@table) . "] = [\n";
$rust .= packed(6, map { sprintf '(0x%X, 0x%X, 0x%X)', @$_ } @table) . "];\n";
$rust .= "\n/// Names of the scripts in [`SCRIPTS`].\n#[rustfmt::skip]\npub(super) static SCRIPT_NAMES: [&str; " . scalar(@scripts) . "] = [\n";
$rust .= packed(8, map { '"' . tr/_/ /r . '"' } @scripts) . "];\n";
$rust .= "\n/// First and last code point of a range of word characters, and the index of their script's name.\n";
$rust .= "#[rustfmt::skip]\npub(super) static SCRIPTS: [(u32, u32, u8); " . scalar(@script_table) . "] = [\n";
$rust .= packed(6, map { sprintf '(0x%X, 0x%X, %d)', @$_ } @script_table) . "];\n";

# ---- the readable tables

sub listing {
    my ($set) = @_;
    return "```\n" . packed_ranges(map { $_->[0] == $_->[1] ? sprintf('%04X', $_->[0]) : sprintf('%04X-%04X', @$_) } ranges($set)) . "```\n";
}

sub packed_ranges {
    my $out = '';
    while (my @row = splice @_, 0, 8) { $out .= join(' ', @row) . "\n" }
    return $out;
}
my $doc = <<'END';
# Character tables of `text.v1`

Unicode 14.0.0. Generated by `perl tests/generate/text_tables.pl`; not to be edited. Each table lists code points and ranges of
code points in hexadecimal, both ends included. What they are for is said in the text rules.

END
$doc .= "## ASSIGNED\n\nEvery code point that is assigned: General_Category is neither Cn nor Cs. It holds characters that other tables refuse.\n\n" . listing($assigned) . "\n";
$doc .= "## $_\n\n$about{$_}\n\n" . listing($kind{$_}) . "\n" for @kinds;
$doc .= "## $_\n\n$about{$_}\n\n" . listing($set{$_}) . "\n" for grep { $about{$_} } @flags;
$doc .= "## SCRIPTS\n\nNot normative. The script of each word character, for flagging words that mix scripts; those without one are left out. "
  . "A range may span code points that are no word characters.\n\n```\n";
for my $i (0 .. $#scripts) {
    my @own = map { $_->[0] == $_->[1] ? sprintf('%04X', $_->[0]) : sprintf('%04X-%04X', @$_[0, 1]) } grep { $_->[2] == $i } @script_table;
    $doc .= "$scripts[$i]: " . join(' ', @own) . "\n" if @own;
}
$doc .= "```\n";

my $root    = dirname(__FILE__) . '/../..';
my %written = ("$root/src/domain/text/tables.rs" => $rust, "$root/docs/text-v1-tables.md" => $doc);
my $differ  = 0;
for my $path (sort keys %written) {
    if ($check) {
        my $found = '';
        if (open my $file, '<:raw', $path) { local $/; $found = <$file> // ''; close $file }
        next if $found eq $written{$path};
        print STDERR "$path is not what this script writes: run it without --check\n";
        $differ = 1;
    }
    else {
        open my $file, '>:raw', $path or die "$path: $!\n";
        print {$file} $written{$path};
        close $file or die "$path: $!\n";
    }
}
exit $differ;
